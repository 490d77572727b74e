pipeline "off" {
  enabled = false
  source "file" {
    paths = [env("UNSET_PATH")]
  }
  sink "rds_direct" {
    enabled  = false
    host     = env("UNSET_HOST")
    group_id = env("GROUP_ID")
  }
}
pipeline "on" {
  source "file" {
    description = env("UNSET_AND_NEEDED")
    enabled     = false
    paths       = [env("UNSET_PATH")]
  }
  sink "rds_direct" {
    enabled  = false
    host     = "db"
    group_id = "6c2f5b9e-8f59-4c5e-9a39-2d3a6d0f1b11"
  }
}
