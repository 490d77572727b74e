# What is not set does not hide what is wrong beside it.
pipeline "audit" {
  source "s3" {
    bucket = env("NOT_SET")
    prefix = "a/"
    prefixes = ["b/"]
  }
  sink "rds_direct" {
    host     = env("NOT_SET")
    group_id = "not a group"
    password = credential("not_there")
  }
}
