#!/bin/sh
trap 'echo cleaning up' TERM
python3 server-1.py
