pipeline "audit" {
  sink "rds_direct" {
    password = "hunter2
    host     = "db"
  }
}
