"""What a preview found, for people and for CI.

    footplate preview -s prod-aws --policy-pack policies -o json | python -m policies.report --format sarif

Read from the JSON that `footplate preview` prints, so that it is the same whichever engine ran.
"""
