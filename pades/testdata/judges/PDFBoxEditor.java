import java.awt.Color;
import java.awt.geom.AffineTransform;
import java.awt.image.BufferedImage;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
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
import org.apache.pdfbox.cos.COSArray;
import org.apache.pdfbox.cos.COSBase;
import org.apache.pdfbox.cos.COSDictionary;
import org.apache.pdfbox.cos.COSName;
import org.apache.pdfbox.cos.COSObject;
import org.apache.pdfbox.cos.COSUpdateInfo;
import org.apache.pdfbox.io.IOUtils;
import org.apache.pdfbox.pdmodel.PDDocument;
import org.apache.pdfbox.pdmodel.PDPage;
import org.apache.pdfbox.pdmodel.PDPageContentStream;
import org.apache.pdfbox.pdmodel.PDResources;
import org.apache.pdfbox.pdmodel.common.PDMetadata;
import org.apache.pdfbox.pdmodel.common.PDRectangle;
import org.apache.pdfbox.pdmodel.common.PDStream;
import org.apache.pdfbox.pdmodel.font.PDType1Font;
import org.apache.pdfbox.pdmodel.graphics.form.PDFormXObject;
import org.apache.pdfbox.pdmodel.interactive.annotation.PDAnnotation;
import org.apache.pdfbox.pdmodel.interactive.annotation.PDAnnotationSquareCircle;
import org.apache.pdfbox.pdmodel.interactive.annotation.PDAnnotationWidget;
import org.apache.pdfbox.pdmodel.interactive.annotation.PDAppearanceDictionary;
import org.apache.pdfbox.pdmodel.interactive.annotation.PDAppearanceStream;
import org.apache.pdfbox.pdmodel.interactive.digitalsignature.PDSignature;
import org.apache.pdfbox.pdmodel.interactive.digitalsignature.SignatureOptions;
import org.apache.pdfbox.pdmodel.interactive.digitalsignature.visible.PDVisibleSigProperties;
import org.apache.pdfbox.pdmodel.interactive.digitalsignature.visible.PDVisibleSignDesigner;
import org.apache.pdfbox.pdmodel.interactive.form.PDAcroForm;
import org.apache.pdfbox.pdmodel.interactive.form.PDCheckBox;
import org.apache.pdfbox.pdmodel.interactive.form.PDField;
import org.apache.pdfbox.pdmodel.interactive.form.PDSignatureField;
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
 * it: x.pdf becomes x-sign.pdf and so on. A line "kind, input, output, page, x, y, width, height", separated by tabs, asks for one revision,
 * whose box, if it has one, is at a place in the user space of a page; kinds without a box write the number of the page. Each line is
 * answered with one, "ok" or what went wrong.
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
        for (String line; (line = in.readLine()) != null;) {
            String[] words = line.split("\t");
            String answer = "ok";
            try {
                if (words.length == 1) {
                    for (String kind : KINDS) {
                        append(kind, line, line.replace(".pdf", "-" + kind + ".pdf"), 1, new PDRectangle(300, 502, 100, 40));
                    }
                } else {
                    float[] n = new float[5];
                    for (int i = 0; i < n.length; i++) {
                        n[i] = Float.parseFloat(words[3 + i]);
                    }
                    append(words[0], words[1], words[2], (int) n[0], new PDRectangle(n[1], n[2], n[3], n[4]));
                }
            } catch (Exception e) {
                e.printStackTrace();
                answer = e.toString().replace('\n', ' ');
            }
            System.out.println(answer);
            System.out.flush();
        }
    }

    private static void append(String kind, String from, String to, int page, PDRectangle box) throws Exception {
        // PDFBox closes the options, with the appearance that saveIncremental reads, when they are collected.
        try (PDDocument doc = PDDocument.load(new File(from)); SignatureOptions options = new SignatureOptions();
            FileOutputStream out = new FileOutputStream(to)) {
            edit(doc, kind, options, page, box);
            doc.saveIncremental(out);
        }
    }

    private static void edit(PDDocument doc, String kind, SignatureOptions options, int page, PDRectangle box) throws Exception {
        switch (kind) {
            case "sign":
            case "show":
            case "draw":
            case "certify":
            case "empty":
            case "empty-draw":
            case "older":
                sign(doc, kind, options, page, box);
                break;
            case "fill":
                PDField sum = doc.getDocumentCatalog().getAcroForm().getField("sum");
                sum.setValue(String.valueOf(250 + page));
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
                Calendar now = Calendar.getInstance();
                now.add(Calendar.SECOND, page);
                doc.getDocumentInformation().setModificationDate(now);
                doc.getDocumentInformation().setProducer("PDFBox");
                touch(doc.getDocumentInformation().getCOSObject(), doc.getDocumentCatalog().getCOSObject());
                break;
            default:
                PDMetadata metadata = new PDMetadata(doc, new ByteArrayInputStream(("<x:xmpmeta>" + page + "</x:xmpmeta>").getBytes("UTF-8")));
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

    private static void sign(PDDocument doc, String kind, SignatureOptions options, int page, PDRectangle box) throws Exception {
        PDSignature signature = new PDSignature();
        signature.setFilter(PDSignature.FILTER_ADOBE_PPKLITE);
        signature.setSubFilter(
            kind.equals("older") ? PDSignature.SUBFILTER_ADBE_PKCS7_DETACHED : PDSignature.SUBFILTER_ETSI_CADES_DETACHED
        );
        signature.setSignDate(Calendar.getInstance());
        options.setPage(page - 1);
        switch (kind) {
            case "show":
                PDVisibleSignDesigner design = new PDVisibleSignDesigner(doc, new BufferedImage(100, 40, BufferedImage.TYPE_INT_RGB), page);
                float top = doc.getPage(page - 1).getMediaBox().getHeight() - box.getUpperRightY();
                design.xAxis(box.getLowerLeftX()).yAxis(top).width(box.getWidth()).height(box.getHeight()).signatureFieldName("shown");
                PDVisibleSigProperties properties = new PDVisibleSigProperties();
                properties.page(page).visualSignEnabled(true).setPdVisibleSignature(design);
                properties.buildSignature();
                options.setVisualSignature(properties.getVisibleSignature());
                break;
            case "draw":
                options.setVisualSignature(drawn(doc.getPage(page - 1), box));
                break;
            case "empty-draw":
                options.setVisualSignature(drawn(doc.getPage(page - 1), box));
                // fall through
            case "empty": // signs the first signature field that waits for one
                for (PDField f : doc.getDocumentCatalog().getAcroForm().getFieldTree()) {
                    if (f instanceof PDSignatureField && ((PDSignatureField) f).getSignature() == null) {
                        f.getCOSObject().setItem(COSName.V, signature);
                        touch(f.getCOSObject());
                        break;
                    }
                }
                break;
            case "certify":
                COSDictionary parameters = new COSDictionary();
                parameters.setName(COSName.TYPE, "TransformParams");
                parameters.setInt(COSName.P, 2);
                parameters.setName(COSName.V, "1.2");
                COSDictionary reference = new COSDictionary();
                reference.setName(COSName.TYPE, "SigRef");
                reference.setName("TransformMethod", "DocMDP");
                reference.setName("DigestMethod", "SHA1");
                reference.setItem("TransformParams", parameters);
                COSArray references = new COSArray();
                references.add(reference);
                signature.getCOSObject().setItem("Reference", references);
                COSDictionary permissions = new COSDictionary();
                permissions.setItem("DocMDP", signature);
                doc.getDocumentCatalog().getCOSObject().setItem("Perms", permissions);
                touch(doc.getDocumentCatalog().getCOSObject());
                break;
            default:
        }
        doc.addSignature(signature, PDFBoxEditor::message, options);
    }

    /** A template with an appearance of its own, as in PDFBox's example CreateVisibleSignature2. */
    private static InputStream drawn(PDPage shown, PDRectangle box) throws IOException {
        try (PDDocument doc = new PDDocument()) {
            doc.addPage(new PDPage(shown.getMediaBox()));
            PDAcroForm form = new PDAcroForm(doc);
            doc.getDocumentCatalog().setAcroForm(form);
            PDSignatureField field = new PDSignatureField(form);
            form.setSignaturesExist(true);
            form.setAppendOnly(true);
            form.getCOSObject().setDirect(true);
            form.getFields().add(field);
            PDAnnotationWidget widget = field.getWidgets().get(0);
            widget.setRectangle(box);
            PDFormXObject look = new PDFormXObject(new PDStream(doc));
            look.setResources(new PDResources());
            look.setBBox(new PDRectangle(box.getWidth(), box.getHeight()));
            if (shown.getRotation() == 90) {
                look.setMatrix(AffineTransform.getQuadrantRotateInstance(1));
            }
            PDAppearanceDictionary appearance = new PDAppearanceDictionary();
            appearance.getCOSObject().setDirect(true);
            PDAppearanceStream stream = new PDAppearanceStream(look.getCOSObject());
            appearance.setNormalAppearance(stream);
            widget.setAppearance(appearance);
            try (PDPageContentStream content = new PDPageContentStream(doc, stream)) {
                content.setNonStrokingColor(Color.YELLOW);
                content.addRect(-5000, -5000, 10000, 10000);
                content.fill();
                content.beginText();
                content.setFont(PDType1Font.HELVETICA_BOLD, 12);
                content.setNonStrokingColor(Color.BLACK);
                content.newLineAtOffset(4, 4);
                content.showText("Signed by a stranger");
                content.endText();
            }
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            doc.save(out);
            return new ByteArrayInputStream(out.toByteArray());
        }
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
