pipeline "audit" {
  source "file" {
    paths    = ["a", env("UNSET_PATH")]
    interval = env("UNSET_INTERVAL")
  }
  filter {
    where = "event.eventName == '${env("UNSET_NAME")}'"
  }
  sink "rds_direct" {
    host     = env("UNSET_HOST", null)
    port     = env("UNSET_PORT", 5433)
    password = credential("absent")
    group_id = "${env("UNSET_A")}-${env("UNSET_B")}"
  }
}
