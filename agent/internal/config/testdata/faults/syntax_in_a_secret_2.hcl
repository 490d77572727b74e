pipeline "audit" {
  sink "rds_direct" {
    password = 'hunter2' # was hunter2-old
    password hunter2
    token: "hunter2"
    password = "a" "hunter2"
    password = <<EOT
      ${ hunter2
    EOT
  }
}
