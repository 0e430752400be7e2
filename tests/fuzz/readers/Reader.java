// What JavaMail sees: each file on the command line, one line of JSON with [name, type] for each part.
import java.io.FileInputStream;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import javax.mail.Message;
import javax.mail.Multipart;
import javax.mail.Part;
import javax.mail.Session;
import javax.mail.internet.ContentType;
import javax.mail.internet.MimeMessage;

public class Reader {
    public static void main(String[] files) throws Exception {
        System.setProperty("mail.mime.decodefilename", "true");
        System.setProperty("mail.mime.decodeparameters", "true");
        System.setProperty("mail.mime.parameters.strict", "false");
        System.setProperty("mail.mime.base64.ignoreerrors", "true");
        System.setProperty("mail.mime.allowencodedmessages", "true");
        Session session = Session.getInstance(new Properties());
        for (String file : files) {
            List<String> found = new ArrayList<>();
            try (InputStream content = new FileInputStream(file)) {
                read(new MimeMessage(session, content), 25, found);
            } catch (Exception | Error error) {
                found.add(shown("", "error/error"));
            }
            System.out.println("[" + String.join(",", found) + "]");
        }
    }

    private static void read(Part part, int depth, List<String> found) {
        try {
            found.add(shown(part.getFileName(), new ContentType(part.getContentType()).getBaseType()));
        } catch (Exception error) {
            found.add(shown("", "error/error"));
        }
        try {
            Object content = depth == 0 ? null : part.getContent();
            if (content instanceof Multipart) {
                Multipart parts = (Multipart) content;
                for (int number = 0; number < parts.getCount(); number++) read(parts.getBodyPart(number), depth - 1, found);
            } else if (content instanceof Message) {
                read((Message) content, depth - 1, found);
            }
        } catch (Exception error) {
            found.add(shown("", "error/error"));
        }
    }

    private static String shown(String name, String type) {
        return "[" + quoted(name == null ? "" : name) + "," + quoted(type.toLowerCase()) + "]";
    }

    private static String quoted(String text) {
        StringBuilder line = new StringBuilder("\"");
        for (char letter : text.toCharArray()) {
            if (letter < 32 || letter > 126 || letter == '"' || letter == '\\') line.append(String.format("\\u%04x", (int) letter));
            else line.append(letter);
        }
        return line.append('"').toString();
    }
}
