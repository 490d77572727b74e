pipeline "audit" {
  sink "rds_direct" {
    password = credential("rds_password")
    password = "hunter2"
  }
}
