"""Starts the emulator of AWS, with placeholders for what it has no equivalent of.

The very template is deployed, and these parts of it do nothing there. What they must be is asserted on the template.
"""

import sys

from ministack.app import main
from ministack.services.cloudformation import provisioners

PLACEHOLDERS = ["AWS::Budgets::Budget", "AWS::Events::Archive"]


def placeholder(logical_id, properties, stack_name):
    name = f"{stack_name}-{logical_id}"
    return name, {"Arn": f"arn:aws:placeholder:::{name}"}


def keep(physical_id, old, new, stack_name):
    return physical_id, {}


for resource_type in PLACEHOLDERS:
    if resource_type in provisioners._RESOURCE_HANDLERS:
        sys.exit(f"the emulator has {resource_type} now: remove its placeholder")
    provisioners._RESOURCE_HANDLERS[resource_type] = {
        "create": placeholder,
        "update": keep,
        "delete": lambda physical_id, properties: None,
    }

# It verifies every identity at once and knows no DKIM records.
identity = provisioners._RESOURCE_HANDLERS["AWS::SES::EmailIdentity"]
create = identity["create"]


def create_with_records(logical_id, properties, stack_name):
    physical_id, attributes = create(logical_id, properties, stack_name)
    for number in (1, 2, 3):
        attributes[f"DkimDNSTokenName{number}"] = f"token{number}._domainkey.{physical_id}"
        attributes[f"DkimDNSTokenValue{number}"] = f"token{number}.dkim.amazonses.com"
    return physical_id, attributes


identity["create"] = create_with_records

if __name__ == "__main__":
    main()
