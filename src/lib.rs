//! crm-gateway
