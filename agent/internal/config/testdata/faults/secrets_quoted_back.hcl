pipeline "audit" {
  source "file" {
    paths = ["a"]
  }
  sink "leaky" {
    key   = "hunter2-long"
    short = "h2"
    other = credential("rds_password")
  }
}
