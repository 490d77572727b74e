pipeline "audit" {
  source "s4" {
    anything = "goes"
  }
  source "rds_direct" {
  }
  source "kinesis" {
  }
  sink "rds_drect" {
    password = "hunter2"
  }
  sink "broken" {
  }
  sink "greedy" {
  }
}
