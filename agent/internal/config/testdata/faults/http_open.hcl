agent {
  http {
    listen = "0.0.0.0:9611"
  }
}

pipeline "p" {
  source "file" {
    paths = ["/a"]
  }
  sink "rds_direct" {
    host     = "db"
    user     = "u"
    password = env("TOKEN")
    group_id = env("GROUP_ID")
  }
}
