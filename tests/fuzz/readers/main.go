// What Go sees: each file on the command line, one line of JSON with [name, type] for each part.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"strings"
)

type header interface{ Get(string) string }

var words = mime.WordDecoder{CharsetReader: func(_ string, in io.Reader) (io.Reader, error) { return in, nil }}

func name(value, parameter string) string {
	_, parameters, err := mime.ParseMediaType(value)
	if err != nil && parameters == nil {
		return ""
	}
	if decoded, err := words.DecodeHeader(parameters[parameter]); err == nil {
		return decoded
	}
	return parameters[parameter]
}

func decoded(head header, body io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(head.Get("Content-Transfer-Encoding"))) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	}
	return body
}

func read(head header, body io.Reader, depth int, found *[][2]string) {
	mediaType, parameters, _ := mime.ParseMediaType(head.Get("Content-Type"))
	disposition := head.Get("Content-Disposition")
	for _, seen := range []string{name(disposition, "filename"), name(disposition, "name"),
		name(head.Get("Content-Type"), "name"), name(head.Get("Content-Type"), "filename")} {
		*found = append(*found, [2]string{seen, mediaType})
	}
	if depth == 0 {
		return
	}
	if strings.HasPrefix(mediaType, "message/") {
		if inner, err := mail.ReadMessage(decoded(head, body)); err == nil {
			read(inner.Header, inner.Body, depth-1, found)
		}
	}
	if strings.HasPrefix(mediaType, "multipart/") && parameters["boundary"] != "" {
		parts := multipart.NewReader(body, parameters["boundary"])
		for {
			part, err := parts.NextRawPart()
			if err != nil {
				return
			}
			read(part.Header, part, depth-1, found)
		}
	}
}

func main() {
	for _, file := range os.Args[1:] {
		content, _ := os.ReadFile(file)
		found := [][2]string{}
		if message, err := mail.ReadMessage(bytes.NewReader(content)); err == nil {
			read(message.Header, message.Body, 25, &found)
		}
		line, _ := json.Marshal(found)
		fmt.Println(string(line))
	}
}
