agent {
  state_dir = "state"
}

pipeline "audit" {
  source "eventbridge_file" {
    dir      = "spool"
    interval = "10s"
  }
  sink "rds_direct" {
    group_id = env("GROUP_ID")
    host     = env("RDS_HOST")
    user     = env("RDS_USER", "postgres")
    password = env("RDS_PASSWORD")
  }
}

plugin "eventbridge_file" {
  path           = "agent-source-eventbridge-file"
  allow_unpinned = true # without this line, agent plugin lock writes the checksum here
}
