pipeline "audit" {
  source "file" {
    paths = [evn("A"), env(), env("A", "b", "c"), file("absent.txt"), file("."), env(["a"])]
  }
  sink "rds_direct" {
    host     = db.example.org
    user     = file("note.txt")
    password = credential("../rds_password")
    group_id = "${group}"
  }
  sink "rds_direct" {
    host     = env("BAD_UTF8")
    password = hunter2
    group_id = env("GROUP_ID")
  }
}
