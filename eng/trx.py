#!/usr/bin/env python3
"""Counts of a `dotnet test` result file: prints "PASSED FAILED SKIPPED". Exit status 1 when there is no such file."""
import sys
import xml.etree.ElementTree as ElementTree

NS = '{http://microsoft.com/schemas/VisualStudio/TeamTest/2010}'

try:
    results = ElementTree.parse(sys.argv[1]).getroot().iter(NS + 'UnitTestResult')
    outcomes = [r.get('outcome') for r in results]
except OSError as e:
    sys.exit('trx.py: %s' % e)
passed = outcomes.count('Passed')
skipped = outcomes.count('NotExecuted')
print(passed, len(outcomes) - passed - skipped, skipped)
