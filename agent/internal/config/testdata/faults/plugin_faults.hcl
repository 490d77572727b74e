pipeline "audit" {
  source "s3" {
    bucket   = "b"
    prefix   = "a/"
    prefixes = ["b/"]
  }
  sink "rds_direct" {
    host     = "db"
    password = "hunter2"
    group_id = "감사" /* hunter2 */
  }
  sink "webhook" {
    url     = "https://fault.example.org"
    token   = env("TOKEN")
    headers = {
      "X-A" = "fine"
      "X-B" = "fault"
    }
    methods = ["POST", "GET"]
    rule {
      name = "a"
    }
    rule {
      name   = "b"
      number = 7
    }
    route "x.y" {
      name = "fault"
    }
  }
}
