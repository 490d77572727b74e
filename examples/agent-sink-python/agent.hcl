agent {
  state_dir = "state"
}

pipeline "archive" {
  source "file" {
    paths = ["trail/*.json", "trail/*.json.gz"]
  }
  sink "python" {
    path = "events.jsonl"
  }
}

plugin "python" {
  path           = "agent-sink-python"
  allow_unpinned = true # without this line, agent plugin lock writes the checksum here
}
