from .explanation import Explanation as Explanation, explain as explain
