// Go's net/smtp, with the octets that it was given. Go looks for what it trusts in SSL_CERT_FILE.
package main

import (
	"crypto/tls"
	"log"
	"net/smtp"
	"os"
)

func main() {
	mail, err := os.ReadFile(os.Getenv("MAIL"))
	check(err)
	address := "localhost:" + os.Getenv("PORT")
	login := smtp.PlainAuth("", os.Getenv("LOGIN"), os.Getenv("PASSWORD"), "localhost")
	if os.Getenv("TLS") == "" {
		check(smtp.SendMail(address, login, "shop@example.com", []string{"reader@example.net"}, mail))
		return
	}
	check(overTLS(address, login, mail))
}

func overTLS(address string, login smtp.Auth, mail []byte) error {
	connection, err := tls.Dial("tcp", address, nil)
	check(err)
	client, err := smtp.NewClient(connection, "localhost")
	check(err)
	check(client.Auth(login))
	check(client.Mail("shop@example.com"))
	check(client.Rcpt("reader@example.net"))
	content, err := client.Data()
	check(err)
	_, err = content.Write(mail)
	check(err)
	check(content.Close())
	return client.Quit()
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
