"""The command line: one function for each verb.

stdout carries results, stderr progress and messages. torch is imported inside the verbs, so that
`--help` is quick.
"""
