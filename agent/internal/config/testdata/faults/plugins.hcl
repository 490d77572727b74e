plugin "webhook" {
  path = "/usr/lib/webhook"
}
plugin "other" {
  sha256 = "abc"
  memory = "1KiB"
  env    = { TOKEN = "hunter2", LIST = ["hunter2"] }
}
pipeline "audit" {
  source "file" {
    paths = ["a"]
  }
  sink "webhook" {
    url = "https://example.org"
  }
}
