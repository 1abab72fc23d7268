/* glibc translates its messages through catalogs, which pull in iconv and the locales.
   winddown never sets a locale, so every message stays untranslated. */
char *untranslated(const char *domain, const char *message, int category) {
    (void)domain;
    (void)category;
    return (char *)message;
}
