"""Services of others that the platform leans on besides the bureau: payment, registry, time stamp. Issuing waits for none of
them; what they last said stands in for them while the policy allows it, and is marked."""
