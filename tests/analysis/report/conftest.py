"""The browser that tests of the page share."""

from browser import browser as browser
