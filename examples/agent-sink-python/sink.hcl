sink "python" {
  path = "test.jsonl"
}
