"""The fault lab and the auditor: test tools. The auditor shares no code with what it audits."""
