pipeline "audit" {
  source "s3" {
  }
  source "file" {
    paths = null
  }
  sink "webhook" {
    url = ""
    retry {
    }
    rule {
    }
  }
  sink "rds_direct" {
    assume_role {
    }
  }
}
pipeline "empty" {
}
