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
  allow_unpinned = true # without this line, agent plugin lock writes the checksum here
}
