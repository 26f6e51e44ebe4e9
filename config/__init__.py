"""How Tenantry is put together: settings, URLs, the web and worker processes."""
