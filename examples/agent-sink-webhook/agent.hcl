agent {
  state_dir = "state"
}

pipeline "alerts" {
  source "file" {
    paths = ["trail/*.json", "trail/*.json.gz"]
  }
  filter {
    event_names = ["ConsoleLogin", "CreateAccessKey", "Delete*"]
  }
  sink "webhook" {
    url    = "https://hooks.example.org/trail"
    secret = env("WEBHOOK_SECRET")
  }
}

plugin "webhook" {
  path           = "agent-sink-webhook"
  allow_unpinned = true # without this line, agent plugin lock writes the checksum here
}
