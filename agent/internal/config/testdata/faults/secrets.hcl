pipeline "audit" {
  source "file" {
    paths = ["a"]
  }
  sink "rds_direct" {
    host     = "db"
    password = "hunter2" # hunter2
    group_id = env("GROUP_ID")
  }
  sink "rds_direct" {
    host     = "db"
    password = env("UNSET", "hunter2")
    group_id = env("GROUP_ID")
  }
  sink "rds_direct" {
    host     = "db"
    password = <<EOT
hunter2
EOT
    group_id = env("GROUP_ID")
  }
  sink "rds_direct" {
    host     = "db"
    password = credential("rds_password")
    group_id = env("GROUP_ID")
  }
  sink "webhook" {
    url    = "https://example.org"
    token  = 1234567
  }
}
