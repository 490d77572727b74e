pipeline "audit" {
  source "file" {
    paths = ["a"]
  }
  filter {
    event_names = ["ConsoleLogin", ""]
    regions     = []
    where       = "event.eventNam == \"ConsoleLogin\""
  }
  sink "webhook" {
    url = "https://example.org"
  }
}
pipeline "heredoc" {
  source "file" {
    paths = ["a"]
  }
  filter {
    where = <<-EOT
      event.eventName == 'ConsoleLogin' &&
        event.errorCod != null
    EOT
  }
  sink "webhook" {
    url = "https://example.org"
  }
}
pipeline "number" {
  source "file" {
    paths = ["a"]
  }
  filter {
    where = "size(event.eventName)"
  }
  sink "webhook" {
    url = "https://example.org"
  }
}
pipeline "broken" {
  source "file" {
    paths = ["a"]
  }
  filter {
    where = "event.eventName =="
  }
  sink "webhook" {
    url = "https://example.org"
  }
}
