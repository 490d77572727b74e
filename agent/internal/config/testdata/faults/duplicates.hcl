agent {
}
agent {
}
plugin "webhook" {
  allow_unpinned = true
}
plugin "webhook" {
  allow_unpinned = true
}
pipeline "audit" {
  source "file" {
    paths = ["a"]
  }
  filter {
  }
  filter {
  }
  sink "rds_direct" {
    host     = "db"
    group_id = env("GROUP_ID")
    name     = "rds_direct-2"
  }
  sink "rds_direct" {
    host     = "db"
    group_id = env("GROUP_ID")
  }
  sink "webhook" {
    name = "webhook"
    url  = "https://example.org"
    retry {
      max = 1
    }
    retry {
      max = 2
    }
    route "x" {
      name = "a"
    }
    route "x" {
      name = "b"
    }
  }
  batch {
  }
  batch {
  }
}
pipeline "audit" {
  source "file" {
    paths = ["a"]
  }
  sink "webhook" {
    url = "https://example.org"
  }
}
