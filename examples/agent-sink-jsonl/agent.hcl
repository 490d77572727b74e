agent {
  state_dir = "state"
}

pipeline "archive" {
  source "file" {
    paths = ["trail/*.json", "trail/*.json.gz"]
  }
  sink "jsonl" {
    path = "events.jsonl"
  }
}

plugin "jsonl" {
  path           = "agent-sink-jsonl"
  allow_unpinned = true # agent plugin lock writes a checksum instead
}
