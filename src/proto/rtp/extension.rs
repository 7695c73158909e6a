//! The elements of an RTP header extension (RFC 8285, sections 4.2 and 4.3).
//!
//! In: the 16-bit profile and the words behind it. Out: identifiers with their bytes.
//! Never: the meaning of an identifier, which the SDP's `extmap` gives (see [`extmap`](super::extmap)).

use crate::bytes::ParseError;

const LAYER: &str = "rtp extension";

/// How the words of an extension are to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExtensionForm {
    /// 0xBEDE (RFC 8285, section 4.2).
    OneByte,
    /// 0x1000 to 0x100F; the low four bits are the application's (RFC 8285, section 4.3).
    TwoByte {
        /// The four bits.
        appbits: u8,
    },
    /// 0xC0DE and 0xC2DE: CSRC list and elements are encrypted (RFC 9335, section 4).
    Encrypted,
    /// A profile of its own, its words unknown (RFC 3550, section 5.3.1).
    Profile,
}

/// A header extension (RFC 3550, section 5.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extension<'a> {
    /// The 16 bits that the profile defines.
    pub profile: u16,
    /// The words behind the length.
    pub data: &'a [u8],
}

impl<'a> Extension<'a> {
    /// The form that the profile bits announce.
    pub const fn form(&self) -> ExtensionForm {
        match self.profile {
            0xbede => ExtensionForm::OneByte,
            0x1000..=0x100f => ExtensionForm::TwoByte { appbits: (self.profile & 0x0f) as u8 },
            0xc0de | 0xc2de => ExtensionForm::Encrypted,
            _ => ExtensionForm::Profile,
        }
    }

    /// Walks the elements; nothing in the forms that have none to read.
    pub fn elements(&self) -> Elements<'a> {
        Elements { data: self.data, rest: self.data, form: self.form(), error: None }
    }

    /// The bytes of the first element with this identifier.
    pub fn find(&self, id: u8) -> Option<&'a [u8]> {
        self.elements().find(|element| element.id == id).map(|element| element.data)
    }
}

/// One element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Element<'a> {
    /// Local identifier: 1 to 14 in the one-byte form, 1 to 255 in the two-byte form.
    pub id: u8,
    /// Its bytes; 1 to 16 in the one-byte form, 0 to 255 in the two-byte form.
    pub data: &'a [u8],
}

/// Walks elements and stops for good at the first that cannot be read. On the path of every packet that carries a
/// transport-wide sequence number, so it works on slices and builds an error only where there is one.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    data: &'a [u8],
    rest: &'a [u8],
    form: ExtensionForm,
    error: Option<ParseError>,
}

impl<'a> Elements<'a> {
    /// Where and why the walk broke off, once it did. An identifier 15 ends it by the rules and is no error.
    pub const fn error(&self) -> Option<ParseError> {
        self.error
    }

    #[inline]
    fn one_byte(&mut self) -> Option<Element<'a>> {
        loop {
            let (&head, behind) = self.rest.split_first()?;
            let (id, len) = (head >> 4, usize::from(head & 0x0f) + 1);
            if head == 0 {
                self.rest = behind;
                continue;
            }
            return match id {
                // Section 4.2: the walk ends at either, and what came before counts.
                0 => self.fail(ParseError::invalid(LAYER, self.offset_of(self.rest), "identifier 0 with a length")),
                15 => {
                    self.rest = &[];
                    None
                }
                _ => self.element(id, len, behind),
            };
        }
    }

    #[inline]
    fn two_byte(&mut self) -> Option<Element<'a>> {
        loop {
            let (&id, behind) = self.rest.split_first()?;
            if id == 0 {
                self.rest = behind;
                continue;
            }
            return match behind.split_first() {
                Some((&len, behind)) => self.element(id, usize::from(len), behind),
                None => self.fail(ParseError::short(LAYER, self.offset_of(behind), 1, 0)),
            };
        }
    }

    #[inline]
    fn element(&mut self, id: u8, len: usize, at: &'a [u8]) -> Option<Element<'a>> {
        match at.split_at_checked(len) {
            Some((data, behind)) => {
                self.rest = behind;
                Some(Element { id, data })
            }
            None => self.fail(ParseError::short(LAYER, self.offset_of(at), len, at.len())),
        }
    }

    const fn offset_of(&self, rest: &[u8]) -> usize {
        self.data.len() - rest.len()
    }

    #[cold]
    fn fail(&mut self, error: ParseError) -> Option<Element<'a>> {
        self.rest = &[];
        self.error = Some(error);
        None
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match self.form {
            ExtensionForm::OneByte => self.one_byte(),
            ExtensionForm::TwoByte { .. } => self.two_byte(),
            ExtensionForm::Encrypted | ExtensionForm::Profile => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(profile: u16, data: &[u8]) -> (Vec<(u8, &[u8])>, Option<ParseError>) {
        let mut elements = Extension { profile, data }.elements();
        let list = elements.by_ref().map(|element| (element.id, element.data)).collect();
        (list, elements.error())
    }

    #[test]
    fn the_one_byte_form_yields_elements_between_padding() {
        let data = [0x10, 0xaa, 0x21, 0xbb, 0xbb, 0x00, 0x00, 0x33, 1, 2, 3, 4];
        let (list, error) = walk(0xbede, &data);
        assert_eq!(list, [(1, &[0xaa][..]), (2, &[0xbb, 0xbb]), (3, &[1, 2, 3, 4])]);
        assert_eq!(error, None);
    }

    #[test]
    fn the_two_byte_form_yields_empty_and_long_elements() {
        let data = [1, 0, 2, 1, 0xbb, 0, 3, 4, 1, 2, 3, 4];
        let (list, error) = walk(0x1005, &data);
        assert_eq!(list, [(1, &[][..]), (2, &[0xbb]), (3, &[1, 2, 3, 4])]);
        assert_eq!(error, None);
        assert_eq!(Extension { profile: 0x1005, data: &data }.form(), ExtensionForm::TwoByte { appbits: 5 });
    }

    #[test]
    fn identifier_fifteen_ends_the_one_byte_form_without_an_error() {
        assert_eq!(walk(0xbede, &[0x10, 0xaa, 0xf3, 0x20, 0xbb, 0, 0, 0]), (vec![(1, &[0xaa][..])], None));
    }

    #[test]
    fn identifier_zero_with_a_length_ends_the_one_byte_form_with_an_error() {
        let (list, error) = walk(0xbede, &[0x10, 0xaa, 0x02, 1, 2, 3, 0x20, 0xbb]);
        assert_eq!(list, [(1, &[0xaa][..])]);
        assert_eq!(error, Some(ParseError::invalid("rtp extension", 2, "identifier 0 with a length")));
    }

    #[test]
    fn an_element_that_reaches_beyond_the_end_leaves_those_before_it() {
        let (list, error) = walk(0xbede, &[0x10, 0xaa, 0x25, 1]);
        assert_eq!((list, error), (vec![(1, &[0xaa][..])], Some(ParseError::short("rtp extension", 3, 6, 1))));
        let (list, error) = walk(0x1000, &[7, 1, 9, 8]);
        assert_eq!((list, error), (vec![(7, &[9][..])], Some(ParseError::short("rtp extension", 4, 1, 0))));
    }

    #[test]
    fn a_profile_of_its_own_and_an_encrypted_one_have_no_elements_to_read() {
        assert_eq!(walk(0xc0de, &[0x10, 0xaa, 0, 0]), (vec![], None));
        assert_eq!(walk(0x0001, &[0x10, 0xaa, 0, 0]), (vec![], None));
    }

    #[test]
    fn an_element_is_found_by_its_identifier() {
        let extension = Extension { profile: 0xbede, data: &[0x10, 0xaa, 0x20, 0xbb] };
        assert_eq!((extension.find(2), extension.find(3)), (Some(&[0xbb][..]), None));
    }
}
