"""Online prediction over HTTP: the scorer of the stream behind an endpoint; knows no broker."""
