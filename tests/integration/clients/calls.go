// Calls a server with grpc-go. The server rejects calls.
//
//	program HOST:PORT
//
// Prints grpc-go's version. Then prints the status of each call. A reply is 0.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

const health = "/grpc.health.v1.Health/"

// A message without fields is empty.
type codec struct{}

func (codec) Marshal(interface{}) ([]byte, error) { return nil, nil }
func (codec) Unmarshal([]byte, interface{}) error { return nil }
func (codec) Name() string                        { return "proto" }

func watch(ctx context.Context, connection *grpc.ClientConn) error {
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, health+"Watch")
	if err != nil {
		return err
	}
	if err := stream.SendMsg(nil); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return stream.RecvMsg(nil)
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	options := grpc.WithDefaultCallOptions(grpc.ForceCodec(codec{}))
	connection, err := grpc.Dial(os.Args[1], grpc.WithInsecure(), options)
	if err != nil {
		panic(err)
	}
	defer connection.Close()

	fmt.Println("version", grpc.Version)
	show := func(call string, err error) { fmt.Println(call, uint32(status.Code(err))) }
	show("Check", connection.Invoke(ctx, health+"Check", nil, nil))
	show("List", connection.Invoke(ctx, health+"List", nil, nil))
	show("Watch", watch(ctx, connection))
}
