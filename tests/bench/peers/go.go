// Go's net package: a goroutine and a buffer for every connection, Read and Write in a loop, as everybody writes
// it, and on one core fast: io.Copy would splice through a pipe, which costs small messages two more calls.
// One core is what every server here is given, so GOMAXPROCS is 1 and no idle processor looks for work.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
)

func session(client net.Conn) {
	defer client.Close()
	buffer := make([]byte, 16384)
	for {
		n, err := client.Read(buffer)
		if n == 0 || err != nil {
			return
		}
		if _, err = client.Write(buffer[:n]); err != nil { // all of it, or an error
			return
		}
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go PORT")
		os.Exit(2)
	}
	port, err := strconv.ParseUint(os.Args[1], 10, 16)
	if err != nil {
		fmt.Fprintln(os.Stderr, "usage: go PORT")
		os.Exit(2)
	}
	runtime.GOMAXPROCS(1)

	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = 20000
		if limit.Max < limit.Cur {
			limit.Cur = limit.Max
		}
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		os.Exit(0)
	}()

	// Without keep-alive, which costs a connection three calls more. TCP_NODELAY is Go's default; its backlog
	// is the system's limit, net.core.somaxconn.
	config := net.ListenConfig{KeepAlive: -1}
	listener, err := config.Listen(context.Background(), "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	for {
		client, err := listener.Accept()
		if err != nil {
			continue // a client that is gone again, or no descriptor is left
		}
		go session(client)
	}
}
