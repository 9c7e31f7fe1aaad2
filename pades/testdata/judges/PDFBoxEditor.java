import java.awt.image.BufferedImage;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.math.BigInteger;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.util.Calendar;
import java.util.Date;
import java.util.List;
import org.apache.pdfbox.cos.COSBase;
import org.apache.pdfbox.cos.COSDictionary;
import org.apache.pdfbox.cos.COSObject;
import org.apache.pdfbox.cos.COSUpdateInfo;
import org.apache.pdfbox.io.IOUtils;
import org.apache.pdfbox.pdmodel.PDDocument;
import org.apache.pdfbox.pdmodel.common.PDMetadata;
import org.apache.pdfbox.pdmodel.common.PDRectangle;
import org.apache.pdfbox.pdmodel.interactive.annotation.PDAnnotation;
import org.apache.pdfbox.pdmodel.interactive.annotation.PDAnnotationSquareCircle;
import org.apache.pdfbox.pdmodel.interactive.annotation.PDAnnotationWidget;
import org.apache.pdfbox.pdmodel.interactive.digitalsignature.PDSignature;
import org.apache.pdfbox.pdmodel.interactive.digitalsignature.SignatureOptions;
import org.apache.pdfbox.pdmodel.interactive.digitalsignature.visible.PDVisibleSigProperties;
import org.apache.pdfbox.pdmodel.interactive.digitalsignature.visible.PDVisibleSignDesigner;
import org.apache.pdfbox.pdmodel.interactive.form.PDCheckBox;
import org.apache.pdfbox.pdmodel.interactive.form.PDField;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.jcajce.JcaSignerInfoGeneratorBuilder;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;

/**
 * Reads names of PDF files from standard input, one a line. It appends one revision of each kind to each, and writes the results beside
 * it: x.pdf becomes x-sign.pdf and so on.
 */
public class PDFBoxEditor {
    private static final String[] KINDS = {"sign", "show", "older", "fill", "check", "annotate", "rewrite", "info", "metadata"};
    private static KeyPair keys;
    private static X509CertificateHolder certificate;

    public static void main(String[] args) throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        generator.initialize(2048);
        keys = generator.generateKeyPair();
        X500Name name = new X500Name("CN=Stranger");
        Date now = new Date();
        certificate = new JcaX509v3CertificateBuilder(
            name, BigInteger.ONE, new Date(now.getTime() - 86400000), new Date(now.getTime() + 86400000), name, keys.getPublic()
        ).build(signer());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String file; (file = in.readLine()) != null;) {
            for (String kind : KINDS) {
                // PDFBox closes the options, with the appearance that saveIncremental reads, when they are collected.
                try (PDDocument doc = PDDocument.load(new File(file)); SignatureOptions options = new SignatureOptions();
                    FileOutputStream out = new FileOutputStream(file.replace(".pdf", "-" + kind + ".pdf"))) {
                    edit(doc, kind, options);
                    doc.saveIncremental(out);
                }
            }
        }
    }

    private static void edit(PDDocument doc, String kind, SignatureOptions options) throws Exception {
        switch (kind) {
            case "sign":
            case "show":
            case "older":
                sign(doc, kind, options);
                break;
            case "fill":
                PDField sum = doc.getDocumentCatalog().getAcroForm().getField("sum");
                sum.setValue("250");
                for (PDAnnotationWidget w : sum.getWidgets()) {
                    touch(w.getCOSObject(), w.getCOSObject().getDictionaryObject("AP"), w.getNormalAppearanceStream().getCOSObject());
                }
                touchPage(doc);
                break;
            case "check":
                PDCheckBox agree = (PDCheckBox) doc.getDocumentCatalog().getAcroForm().getField("agree");
                agree.check();
                touch(agree.getCOSObject());
                touchPage(doc);
                break;
            case "annotate":
                PDAnnotationSquareCircle square = new PDAnnotationSquareCircle("Square");
                square.setRectangle(new PDRectangle(300, 700, 20, 20));
                square.constructAppearances(doc);
                List<PDAnnotation> annotations = doc.getPage(0).getAnnotations();
                annotations.add(square);
                doc.getPage(0).setAnnotations(annotations);
                touch(square.getCOSObject());
                touchPage(doc);
                break;
            case "rewrite": // everything, with the same value
                for (COSObject o : doc.getDocument().getObjects()) {
                    if (o.getObject() instanceof COSDictionary) {
                        COSDictionary d = (COSDictionary) o.getObject();
                        if (!List.of("Sig", "DocTimeStamp", "XRef", "ObjStm").contains(String.valueOf(d.getNameAsString("Type")))) {
                            touch(d);
                        }
                    }
                }
                break;
            case "info":
                doc.getDocumentInformation().setModificationDate(Calendar.getInstance());
                doc.getDocumentInformation().setProducer("PDFBox");
                touch(doc.getDocumentInformation().getCOSObject(), doc.getDocumentCatalog().getCOSObject());
                break;
            default:
                PDMetadata metadata = new PDMetadata(doc, new ByteArrayInputStream("<x:xmpmeta/>".getBytes("UTF-8")));
                doc.getDocumentCatalog().setMetadata(metadata);
                touch(metadata.getCOSObject(), doc.getDocumentCatalog().getCOSObject());
        }
    }

    private static void touch(COSBase... objects) {
        for (COSBase o : objects) {
            ((COSUpdateInfo) o).setNeedToBeUpdated(true);
        }
    }

    private static void touchPage(PDDocument doc) {
        touch(
            doc.getPage(0).getCOSObject(), doc.getPages().getCOSObject(), doc.getDocumentCatalog().getCOSObject(),
            doc.getDocumentCatalog().getAcroForm().getCOSObject()
        );
    }

    private static void sign(PDDocument doc, String kind, SignatureOptions options) throws Exception {
        PDSignature signature = new PDSignature();
        signature.setFilter(PDSignature.FILTER_ADOBE_PPKLITE);
        signature.setSubFilter(
            kind.equals("older") ? PDSignature.SUBFILTER_ADBE_PKCS7_DETACHED : PDSignature.SUBFILTER_ETSI_CADES_DETACHED
        );
        signature.setSignDate(Calendar.getInstance());
        if (kind.equals("show")) {
            PDVisibleSignDesigner design = new PDVisibleSignDesigner(doc, new BufferedImage(100, 40, BufferedImage.TYPE_INT_RGB), 1);
            design.xAxis(300).yAxis(300).signatureFieldName("shown");
            PDVisibleSigProperties properties = new PDVisibleSigProperties();
            properties.page(1).visualSignEnabled(true).setPdVisibleSignature(design);
            properties.buildSignature();
            options.setVisualSignature(properties.getVisibleSignature());
        }
        doc.addSignature(signature, PDFBoxEditor::message, options);
    }

    private static byte[] message(InputStream content) throws IOException {
        try {
            CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
            generator.addSignerInfoGenerator(
                new JcaSignerInfoGeneratorBuilder(new JcaDigestCalculatorProviderBuilder().build()).build(
                    signer(), new JcaX509CertificateConverter().getCertificate(certificate)
                )
            );
            generator.addCertificates(new JcaCertStore(List.of(certificate)));
            return generator.generate(new CMSProcessableByteArray(IOUtils.toByteArray(content)), false).getEncoded();
        } catch (Exception e) {
            throw new IOException(e);
        }
    }

    private static ContentSigner signer() throws Exception {
        return new JcaContentSignerBuilder("SHA256WithRSA").build(keys.getPrivate());
    }
}
