// Uploads with Go's net/http. Prints a line for each answer.
//
//	go run uploads.go URL declared|chunked TIMES FILE...
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
)

func upload(url string, content []byte, declared bool) (string, error) {
	var body io.Reader = bytes.NewReader(content)
	if !declared {
		// net/http does not know the length of this reader.
		body = io.MultiReader(body)
	}
	request, err := http.NewRequest("DELETE", url, body)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return "", err
	}
	return fmt.Sprint(response.StatusCode, " ", response.Header.Get("Allow")), nil
}

func main() {
	url, framing, files := os.Args[1], os.Args[2], os.Args[4:]
	times, err := strconv.Atoi(os.Args[3])
	if err != nil {
		panic(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		for i := 0; i < times; i++ {
			answer, err := upload(url, content, framing == "declared")
			if err != nil {
				answer = err.Error()
			}
			fmt.Println(answer)
		}
	}
}
