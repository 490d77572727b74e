plugin "Web-Hook" {
  allow_unpinned = true
}
pipeline "two words" {
  source "file" {
    paths = ["a"]
  }
  sink "webhook" {
    name = "a/b"
    url  = "https://example.org"
  }
}
pipeline "감사" {
  source "file" {
    paths = ["a"]
  }
  sink "webhook" {
    url = "https://example.org"
  }
  sink "webhook" { name = "" }
}
