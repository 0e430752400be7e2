// JavaMail. Jakarta Mail is the same program with the packages renamed: java.sh does that.
import java.io.File;
import java.util.Date;
import java.util.Properties;
import javax.activation.DataHandler;
import javax.mail.Address;
import javax.mail.Message;
import javax.mail.Part;
import javax.mail.Session;
import javax.mail.Transport;
import javax.mail.internet.InternetAddress;
import javax.mail.internet.MimeBodyPart;
import javax.mail.internet.MimeMessage;
import javax.mail.internet.MimeMultipart;

public class Mail {
    private static final String FILES = System.getenv("FILES");
    private static Session session;

    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.put("mail.smtp.host", "127.0.0.1");
        settings.put("mail.smtp.port", System.getenv("PORT"));
        settings.put("mail.smtp.localhost", "client.example");
        settings.put("mail.from", "shop@example.com");
        session = Session.getInstance(settings);
        String client = arguments[0];

        MimeMessage text = mail();
        text.setText("Größe 42\n", "utf-8");
        send(text, client + "-text");

        MimeMultipart related = new MimeMultipart("related");
        related.addBodyPart(html("<p>Größe 42 <img src=\"cid:logo\"></p>"));
        MimeBodyPart image = file("logo.png", "logo.png");
        image.setContentID("<logo>");
        image.setDisposition(Part.INLINE);
        related.addBodyPart(image);
        MimeBodyPart whole = new MimeBodyPart();
        whole.setContent(related);
        MimeMessage mixed = mail();
        mixed.setContent(new MimeMultipart(whole, file("offer.pdf", "Предложение.pdf"), file("prices.csv", "цены.csv")));
        send(mixed, client + "-related");

        MimeMessage forward = mail();
        MimeBodyPart forwarded = new MimeBodyPart();
        forwarded.setContent(mixed, "message/rfc822");
        forward.setContent(new MimeMultipart(html("<p>Bitte ansehen</p>"), forwarded));
        send(forward, client + "-forward");
    }

    private static MimeMessage mail() throws Exception {
        MimeMessage mail = new MimeMessage(session) {
            @Override
            protected void updateMessageID() throws javax.mail.MessagingException {
                setHeader("Message-ID", "<42.JavaMail.shop@client.example>");
            }
        };
        mail.setFrom(new InternetAddress("shop@example.com", "Bücher", "utf-8"));
        mail.setRecipients(Message.RecipientType.TO, "reader@example.net");
        mail.setSubject("Größe 42", "utf-8");
        mail.setSentDate(new Date());
        return mail;
    }

    private static MimeBodyPart html(String text) throws Exception {
        MimeBodyPart part = new MimeBodyPart();
        part.setText(text, "utf-8", "html");
        return part;
    }

    private static MimeBodyPart file(String name, String shown) throws Exception {
        MimeBodyPart part = new MimeBodyPart();
        part.attachFile(new File(FILES, name));
        part.setFileName(shown);
        return part;
    }

    private static void send(MimeMessage mail, String name) throws Exception {
        mail.saveChanges();
        Transport.send(mail, new Address[] {new InternetAddress(name + "@example.net")});
    }
}
