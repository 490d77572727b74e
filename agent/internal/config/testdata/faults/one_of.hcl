pipeline "audit" {
  source "file" {
    paths = ["a"]
  }
  sink "either" {
    name = "none"
  }
  sink "either" {
    name     = "two"
    key      = "hunter2"
    key_file = "f"
  }
  sink "either" {
    name = "blocks"
    key  = env("TOKEN")
    vault {
      path = "a"
    }
    vault {
      path = "b"
    }
  }
  sink "either" {
    name     = "null"
    key      = null
    key_file = ""
  }
  sink "either" {
    name     = "good"
    key_file = "f"
    nested {
      at = "noon"
    }
    nested {
    }
    nested {
      at    = "noon"
      every = "1h"
    }
  }
}
