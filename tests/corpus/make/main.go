// Go: mime/multipart and mime/quotedprintable put together by hand, as Go programs do it; sent by net/smtp.
package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/smtp"
	"net/textproto"
	"os"
)

func main() {
	var mail bytes.Buffer
	parts := multipart.NewWriter(&mail)
	fmt.Fprintf(&mail, "From: %s <shop@example.com>\r\n", mime.QEncoding.Encode("utf-8", "Bücher"))
	fmt.Fprintf(&mail, "To: reader@example.net\r\nSubject: %s\r\n", mime.BEncoding.Encode("utf-8", "Größe 42"))
	fmt.Fprintf(&mail, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=%s\r\n\r\n", parts.Boundary())

	text := part(parts, "text/plain; charset=utf-8", "quoted-printable", "")
	writer := quotedprintable.NewWriter(text)
	writer.Write([]byte("Größe 42\r\n"))
	check(writer.Close())

	letter, err := os.ReadFile(os.Getenv("FILES") + "/letter.docx")
	check(err)
	name := mime.FormatMediaType("attachment", map[string]string{"filename": "Größe 42.docx"})
	attachment := part(parts, "application/octet-stream", "base64", name)
	// One line of base64, as encoders make it that were not written for mail.
	attachment.Write([]byte(base64.StdEncoding.EncodeToString(letter)))
	check(parts.Close())
	check(smtp.SendMail("127.0.0.1:"+os.Getenv("PORT"), nil, "shop@example.com", []string{"go-multipart@example.net"}, mail.Bytes()))
}

func part(parts *multipart.Writer, kind, encoding, disposition string) interface{ Write([]byte) (int, error) } {
	header := textproto.MIMEHeader{"Content-Type": {kind}, "Content-Transfer-Encoding": {encoding}}
	if disposition != "" {
		header.Set("Content-Disposition", disposition)
	}
	made, err := parts.CreatePart(header)
	check(err)
	return made
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
