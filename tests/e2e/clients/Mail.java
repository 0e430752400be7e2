// JavaMail. Jakarta Mail is the same program with the packages renamed: java.sh does that.
import java.io.FileOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Date;
import java.util.Map;
import java.util.Properties;
import javax.mail.Message;
import javax.mail.Session;
import javax.mail.Transport;
import javax.mail.internet.InternetAddress;
import javax.mail.internet.MimeBodyPart;
import javax.mail.internet.MimeMessage;
import javax.mail.internet.MimeMultipart;

public class Mail {
    public static void main(String[] arguments) throws Exception {
        Map<String, String> environment = System.getenv();
        boolean tls = !environment.get("TLS").isEmpty();
        String protocol = tls ? "smtps" : "smtp";
        Properties settings = new Properties();
        settings.put("mail." + protocol + ".auth", "true");
        settings.put("mail." + protocol + ".ssl.checkserveridentity", "true");
        settings.put("mail.smtp.starttls.enable", "true");
        settings.put("mail.smtp.starttls.required", "true");
        Session session = Session.getInstance(settings);

        MimeBodyPart text = new MimeBodyPart();
        text.setText(Files.readString(Path.of(environment.get("TEXT"))), "utf-8");
        MimeBodyPart attachment = new MimeBodyPart();
        attachment.setText("a;b\n1;2\n", "utf-8", "csv");
        attachment.setFileName("prices.csv");
        MimeMessage mail = new MimeMessage(session);
        mail.setFrom(new InternetAddress("shop@example.com", "Bücher", "utf-8"));
        mail.setRecipients(Message.RecipientType.TO, "reader@example.net");
        mail.setSubject("Größe 42", "utf-8");
        mail.setSentDate(new Date());
        mail.setContent(new MimeMultipart(text, attachment));
        mail.saveChanges();
        try (FileOutputStream sent = new FileOutputStream(environment.get("SENT"))) {
            mail.writeTo(sent);
        }

        try (Transport transport = session.getTransport(protocol)) {
            int port = Integer.parseInt(environment.get("PORT"));
            transport.connect("localhost", port, environment.get("LOGIN"), environment.get("PASSWORD"));
            transport.sendMessage(mail, mail.getAllRecipients());
        }
    }
}
