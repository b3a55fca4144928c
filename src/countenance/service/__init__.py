"""The gate over HTTP: `application.create_app` builds it from an authenticator and a store."""
