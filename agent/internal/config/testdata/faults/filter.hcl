pipeline "audit" {
  source "file" {
    paths = ["a"]
  }
  filter {
    event_names   = ["ConsoleLogin", ""]
    regions       = []
    error_codes   = "AccessDenied"
    read_only     = "maybe"
  }
  sink "webhook" {
    url = "https://example.org"
  }
}
