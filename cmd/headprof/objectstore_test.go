package main

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// minioHere tells whether MinIO, an S3 server, can be started. Where nothing
// may skip it says yes, and its start fails.
func minioHere() bool {
	_, err := exec.LookPath("minio")
	return err == nil || os.Getenv("HEADPROF_REQUIRE_ALL") == "1"
}

// startMinIO is the script command "minio DIR VAR": it serves DIR, whose folders
// are buckets, and puts the query that reaches it into VAR.
func startMinIO(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: minio DIR VAR")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	address := free.Addr().String()
	ts.Check(free.Close())
	program, err := exec.LookPath("minio")
	ts.Check(err)
	c := exec.Command(program, "server", "--quiet", "--address", address, ts.MkAbs(args[0]))
	c.Env = append(os.Environ(), "MINIO_ROOT_USER=headprof", "MINIO_ROOT_PASSWORD=headprof-secret", "MINIO_BROWSER=off")
	var said strings.Builder
	c.Stdout, c.Stderr = &said, &said
	ts.Check(c.Start())
	ts.Defer(func() {
		c.Process.Kill()
		c.Wait()
	})
	for end := time.Now().Add(time.Minute); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(end) {
			ts.Fatalf("minio does not answer: %s", said.String())
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Setenv(args[1], "?endpoint=http://"+address+"&use_path_style=true&region=us-east-1")
}
