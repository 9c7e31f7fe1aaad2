import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.security.Security;
import java.util.Collection;
import org.apache.pdfbox.pdmodel.PDDocument;
import org.apache.pdfbox.pdmodel.interactive.digitalsignature.PDSignature;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.tsp.TimeStampToken;

/**
 * Reads names of PDF files from standard input, one a line. For each it prints one line: the number of fields with a valid PAdES
 * signature, the number with a valid document timestamp, and the number of all others, or "error" and why.
 */
public class PDFBoxJudge {
    public static void main(String[] args) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String name; (name = in.readLine()) != null;) {
            try {
                System.out.println(judge(name));
            } catch (Exception | StackOverflowError e) {
                System.out.println("error " + String.valueOf(e).replace('\n', ' '));
            }
        }
    }

    private static String judge(String name) throws Exception {
        byte[] file = Files.readAllBytes(new File(name).toPath());
        int signatures = 0, stamps = 0, others = 0;
        try (PDDocument doc = PDDocument.load(file)) {
            for (PDSignature s : doc.getSignatureDictionaries()) {
                try {
                    byte[] content = s.getSignedContent(file);
                    byte[] message = s.getContents(file);
                    if ("ETSI.CAdES.detached".equals(s.getSubFilter()) && signed(content, message)) {
                        signatures++;
                    } else if ("ETSI.RFC3161".equals(s.getSubFilter()) && stamped(content, message)) {
                        stamps++;
                    } else {
                        others++;
                    }
                } catch (Exception e) {
                    others++; // such as an earlier signature that is none
                }
            }
        }
        return signatures + " " + stamps + " " + others;
    }

    private static boolean signed(byte[] content, byte[] message) throws Exception {
        CMSSignedData cms = new CMSSignedData(new CMSProcessableByteArray(content), message);
        return verified(cms) && cms.getSignerInfos().size() == 1;
    }

    private static boolean stamped(byte[] content, byte[] message) throws Exception {
        CMSSignedData cms = new CMSSignedData(message);
        TimeStampToken token = new TimeStampToken(cms);
        byte[] digest = MessageDigest.getInstance(token.getTimeStampInfo().getMessageImprintAlgOID().getId(), "BC").digest(content);
        return verified(cms) && MessageDigest.isEqual(digest, token.getTimeStampInfo().getMessageImprintDigest());
    }

    private static boolean verified(CMSSignedData cms) throws Exception {
        for (SignerInformation signer : cms.getSignerInfos()) {
            Collection<X509CertificateHolder> found = cms.getCertificates().getMatches(signer.getSID());
            if (found.size() != 1
                    || !signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(found.iterator().next()))) {
                return false;
            }
        }
        return true;
    }
}
