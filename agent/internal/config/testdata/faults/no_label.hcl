pipeline {
}
pipeline "a" "b" {
  source {
  }
}
